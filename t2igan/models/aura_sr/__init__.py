"""The AuraSR network: a text-free 4x upsampler of the GigaGAN family. Torch-free."""
