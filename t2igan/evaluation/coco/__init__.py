"""Zero-shot MS-COCO: which captions and pictures each protocol takes, and what was published by it."""
