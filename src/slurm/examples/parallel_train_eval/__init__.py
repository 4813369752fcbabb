"""Train in capped jobs, evaluate every epoch beside the training of the next."""
