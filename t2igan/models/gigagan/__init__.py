"""GigaGAN (Kang et al., CVPR 2023): adaptive kernels, L2 attention, text tokens, an image at every resolution."""
