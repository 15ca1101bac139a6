"""A static HTML report in one file: text, tables, pictures, curves. No scripts, no network, no torch.

Every string from a caller is escaped; pictures come as PNG bytes and are embedded.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from t2igan import __version__
from t2igan.files import write_atomic
from t2igan.lineplot import Marks, Points, line_plot

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5b636d; --page: #fff; --rule: #dfe3e8; --band: #f5f7f9;
  --c0: #0072b2; --c1: #d55e00; --c2: #00855f; --c3: #b8559a; --c4: #a67c00; --c5: #3a9fd8; --c6: #6b4fb8; --c7: #777; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a0a8b2; --page: #16181c; --rule: #343a42;
  --band: #1f2329; --c0: #5ab4f0; --c1: #ff9a56; --c2: #3fd0a4; --c3: #e79ad0; --c4: #e3bd4a; --c5: #8fd0ff;
  --c6: #b39df5; --c7: #aaa; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
nav a { margin-right: 1rem; } a { color: var(--c0); } footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
code { background: var(--band); padding: 0 .25em; border-radius: 3px; font-size: .92em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; text-align: left; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; } tbody tr:nth-child(even) { background: var(--band); }
.number { text-align: right; white-space: nowrap; }
figure { margin: 1.2rem 0; } figcaption { color: var(--soft); font-size: .9rem; margin: .3rem 0; }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--rule); }
.plot figcaption { color: var(--ink); font-weight: 600; font-size: 1rem; } .plot svg { width: 100%; max-width: 44rem; }
.plot text { fill: var(--soft); font-size: 12px; } .axis { stroke: var(--soft); fill: none; } .rule { stroke: var(--rule); }
.mark { stroke: var(--soft); stroke-dasharray: 4 4; } .mark + text { paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
.plot g path { fill: none; stroke-width: 2; } .plot g circle, .plot g rect { stroke: none; } path.mark { fill: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: .7rem; align-items: start; }
.tiles figure { margin: 0; } .tiles img { display: block; width: 7rem; height: 7rem; object-fit: contain; background: none; border: 0; }
.tiles figcaption { font-size: .78rem; line-height: 1.3; max-height: 5.2em; overflow: hidden; overflow-wrap: anywhere; }
.tiles b { color: var(--ink); } .gone { width: 7rem; height: 7rem; background: var(--band); color: var(--soft); font-size: .8rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; }
.legend i { display: inline-block; width: 1.2em; height: .25em; margin-right: .4em; vertical-align: middle; }
""" + "".join(
    f".plot g.c{i} path {{ stroke: var(--c{i}); }} "
    f".plot g.c{i} circle, .plot g.c{i} rect {{ fill: var(--c{i}); }} "
    f".legend .c{i} {{ background: var(--c{i}); }}\n"
    for i in range(8)
)
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser itself forbids the network
)


class Report:
    """A page that grows from top to bottom, written by `save`."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._sections: list[str] = []
        self._parts: list[str] = []

    def section(self, title: str) -> None:
        """Start a section; it also appears in the list at the top."""
        self._sections.append(title)
        self._parts.append(f"<h2 id='s{len(self._sections)}'>{escape(title)}</h2>")

    def text(self, markdown: str) -> None:
        """Add paragraphs (parted by blank lines), "- " lists, **bold** and `code`; anything else stays literal."""
        for block in re.split(r"\n\s*\n", markdown.strip()):
            lines = [line.strip() for line in block.splitlines()]
            if lines and all(line.startswith("- ") for line in lines):
                self._parts.append(
                    "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
                )
            else:
                self._parts.append(f"<p>{_inline(' '.join(lines))}</p>")

    def table(self, rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
        """Add a table; floats get four digits, None becomes a dash, cells that start with a digit align right.

        Args:
            rows: one sequence a row, as long as the header.
            header: column names.
        """
        head = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
        self._parts.append(
            f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def image(self, png: bytes, caption: str) -> None:
        """Embed PNG bytes with a caption under them."""
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        self._parts.append(
            f"<figure><img src='{source}' alt='{escape(caption)}'><figcaption>{_inline(caption)}</figcaption></figure>"
        )

    def curve(
        self,
        title: str,
        series: Mapping[str, Points],
        *,
        x_label: str,
        y_label: str,
        marks: Marks = (),
        from_zero: bool = False,
    ) -> None:
        """Add a line plot of name -> (x, y) points; the options are those of `line_plot`."""
        self._parts.append(
            line_plot(title, series, x_label=x_label, y_label=y_label, marks=marks, from_zero=from_zero)
        )

    def drawing(self, html: str) -> None:
        """Add a figure that another module drew; its strings are escaped already."""
        self._parts.append(html)

    def html(self) -> str:
        """The whole page."""
        links = "".join(f"<a href='#s{i}'>{escape(name)}</a>" for i, name in enumerate(self._sections, 1))
        return (
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>{escape(self.title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(self.title)}</h1>\n"
            + (f"<nav>{links}</nav>\n" if links else "")
            + "\n".join(self._parts)
            + f"\n<footer>made by t2igan {__version__}</footer></body></html>\n"
        )

    def save(self, path: str | Path) -> None:
        """Write the page whole or not at all.

        Raises:
            T2IGanError: if the file cannot be written.
        """
        # A prompt from a shell with broken bytes holds lone surrogates, which UTF-8 cannot store.
        write_atomic(path, self.html().encode("utf-8", "replace"))


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A share in [0, 1] as "97.3 %" or, with its interval, "97.3 % [96.1, 98.2]"; None becomes a dash."""
    if value is None:
        return "-"
    if low is None or high is None:
        return f"{100 * value:.1f} %"
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _inline(text: str) -> str:
    text = escape(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)


def _cell(value: object) -> str:
    if value is None:
        value = "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    kind = " class='number'" if re.match(r"[-+]?\d", text) else ""
    return f"<td{kind}>{_inline(text)}</td>"
