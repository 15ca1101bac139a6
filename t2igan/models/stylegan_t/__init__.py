"""StyleGAN-T (Sauer et al. 2023)."""
