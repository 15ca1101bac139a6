"""GigaGAN's upsampler: a U-Net that enlarges images, with or without a prompt. Torch-free until it is built."""
