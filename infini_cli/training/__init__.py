"""Training: the corpus, the tasks made from it, the losses and the loop."""
