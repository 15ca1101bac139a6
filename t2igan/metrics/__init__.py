"""Numbers about images: pure functions of features, statistics or predictions. Torch-free until a metric is used."""

from t2igan.registry import Registry

METRICS = Registry(
    "metric",
    {
        "fid": "t2igan.metrics.fid:frechet_distance",
        "kid": "t2igan.metrics.kid:kernel_distance",
        "prdc": "t2igan.metrics.prc:precision_recall",
        "inception_score": "t2igan.metrics.inception_score:inception_score",
        "clip_score": "t2igan.metrics.clip_score:clip_score",
        "cmmd": "t2igan.metrics.cmmd:cmmd",
        "psnr": "t2igan.metrics.psnr:psnr",
        "ssim": "t2igan.metrics.ssim:ssim",
        "prompt_accuracy": "t2igan.metrics.accuracy:prompt_accuracy",
    },
)
