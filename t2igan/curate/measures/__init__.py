"""What can be measured of one sample: its caption, its pixels, their agreement, and scores that its data carries. Torch-free."""
