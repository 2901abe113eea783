"""Speed, against peers and against the floor, in one run."""
