"""Which picture has which captions, in the formats that people keep: one module a format."""
