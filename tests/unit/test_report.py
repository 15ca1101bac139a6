"""report.py and lineplot.py: escaping, self-containedness, geometry of curves."""

import base64
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from t2igan import lineplot
from t2igan.report import Report, percent

HOSTILE = "<script>alert('x')</script> & \"quoted\" 'x' onerror=1"


class Checker(HTMLParser):
    """Collects tags and fails on a tag that is closed out of order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def full_report(text: str) -> Report:
    report = Report(text)
    report.section(text)
    report.text(f"{text}\n\n- **{text}**\n- `{text}`")
    report.table([[text, 0.123456, None, "97.3 % [96.1, 98.2]"]], [text, "a", "b", "c"])
    report.image(b"\x89PNG bytes", text)
    report.curve(text, {text: [(0, 1.0), (1, 2.0)], "b": [(0, 2.0), (1, 1.0)]}, x_label=text, y_label=text)
    return report


def test_every_caller_string_is_escaped():
    page = Checker(full_report(HOSTILE).html())
    assert not page.open
    assert "script" not in {tag for tag, _ in page.seen}
    assert not any(name.startswith("on") for _, attributes in page.seen for name in attributes)
    assert page.words.count("alert('x')") >= 8


def test_a_report_needs_nothing_from_outside_the_file():
    html = full_report("t").html()
    assert re.findall(r"(?:src|href)='(?!data:|#)", html) == []
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src 'none'" in html


def test_a_picture_is_embedded_byte_for_byte():
    (source,) = re.findall(r"base64,([^']+)'", full_report("t").html())
    assert base64.b64decode(source) == b"\x89PNG bytes"


def test_sections_are_linked_from_the_top():
    page = Checker(full_report("t").html())
    assert ("a", {"href": "#s1"}) in page.seen
    assert ("h2", {"id": "s1"}) in page.seen


def test_text_knows_paragraphs_lists_bold_and_code():
    report = Report("t")
    report.text("one **two**\nthree\n\n- `x`\n- y")
    assert "<p>one <strong>two</strong> three</p>" in report.html()
    assert "<ul><li><code>x</code></li><li>y</li></ul>" in report.html()


def test_table_cells_show_four_digits_dashes_and_right_aligned_numbers():
    report = Report("t")
    report.table([["x", 0.123456, None, -3]], ["a", "b", "c", "d"])
    assert "<td>x</td><td class='number'>0.1235</td><td>-</td><td class='number'>-3</td>" in report.html()


def test_percent_shows_one_decimal_and_the_interval():
    assert percent(0.9734, 0.961, 0.982) == "97.3 % [96.1, 98.2]"
    assert percent(0.5) == "50.0 %"
    assert percent(None) == "-"


def test_a_saved_report_survives_broken_bytes_in_a_prompt(tmp_path: Path):
    Report("a \udcff prompt").save(tmp_path / "new" / "report.html")
    assert "a ? prompt" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3, 17), (0.001, 0.0042), (1e5, 3.3e7), (99.5, 100), (-0.3, 0.7)]
)
def test_ticks_are_round_numbers_inside_the_range(low: float, high: float):
    values = lineplot.ticks(low, high)
    assert 3 <= len(values) <= 7
    assert all(low <= value <= high for value in values)
    step = values[1] - values[0]
    leading = step / 10 ** math.floor(math.log10(step * 1.0001))
    assert any(math.isclose(leading, round_number, rel_tol=1e-6) for round_number in (1, 2, 5))


def test_curve_points_lie_where_the_axes_say():
    svg = lineplot.line_plot("t", {"a": [(0, 0.0), (10, 4.0)]}, x_label="x", y_label="y")
    (path,) = re.findall(r"d='M([\d. L]+)'><title>", svg)
    (x0, y0), (x1, y1) = [tuple(map(float, point.split())) for point in path.split("L")]
    assert (x0, x1) == (lineplot.LEFT, lineplot.WIDTH - lineplot.RIGHT)
    height = lineplot.HEIGHT - lineplot.TOP - lineplot.BOTTOM
    assert y0 - y1 == pytest.approx(
        height / 1.1, abs=0.11
    )  # 5 % of air above and below; one decimal is written
    assert "<title>a: 10, 4</title>" in svg


def test_points_that_are_not_finite_are_left_out():
    points = [(0, 1.0), (1, math.nan), (2, math.inf), (3, 2.0)]
    assert lineplot.line_plot("t", {"a": points}, x_label="x", y_label="y").count("<circle") == 2


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [(0, math.nan)]}])
def test_a_curve_without_points_says_so(series: dict[str, list[tuple[float, float]]]):
    assert "no points to draw" in lineplot.line_plot("t", series, x_label="x", y_label="y")


@pytest.mark.parametrize("value", [0.0, 1.0, -2e9, 1e-30])
def test_a_constant_curve_is_drawn(value: float):
    assert "<circle" in lineplot.line_plot("t", {"a": [(5, value), (5, value)]}, x_label="x", y_label="y")


def test_a_long_curve_keeps_its_line_but_few_hover_points():
    svg = lineplot.line_plot("t", {"a": [(i, float(i)) for i in range(5000)]}, x_label="x", y_label="y")
    assert svg.count("<circle") <= lineplot.MAX_MARKERS + 1
    assert "<title>a: 4999, 4999</title>" in svg
    assert svg.count("L") > 4990


def test_a_mark_stands_at_its_x_and_nowhere_outside_the_curves():
    svg = lineplot.line_plot(
        "t", {"a": [(0, 0.0), (10, 4.0)]}, x_label="x", y_label="y", marks=[(5, "<b>"), (11, "no")]
    )
    middle = (lineplot.LEFT + lineplot.WIDTH - lineplot.RIGHT) / 2
    assert re.findall(r"class='mark' x1='([\d.]+)'", svg) == [f"{middle:.1f}"]
    assert "&lt;b&gt;</text>" in svg
    assert "no" not in svg


def test_an_axis_from_zero_begins_at_zero():
    assert lineplot.value_range([(0, 3.0), (1, 4.0)], from_zero=True) == (0.0, pytest.approx(4.2))
    assert lineplot.value_range([(0, 0.0)], from_zero=True) == (0.0, 1.0)
    assert lineplot.value_range([(0, 3.0), (1, 4.0)], from_zero=False) == pytest.approx((2.95, 4.05))
