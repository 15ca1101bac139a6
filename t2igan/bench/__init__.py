"""How fast the road is, and where the time goes; `t2igan bench`. Nothing here is needed to train or to sample."""
