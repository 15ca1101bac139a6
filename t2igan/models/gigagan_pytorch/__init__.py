"""The generator of the community's GigaGAN, gigagan-pytorch, for weights that it trained. Torch-free until it is built."""
