"""How well an upsampler gives back pictures that were made small, beside bicubic and Lanczos."""
