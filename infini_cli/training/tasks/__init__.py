"""The task families; each is a function of (rng, setting) that makes one sample."""
