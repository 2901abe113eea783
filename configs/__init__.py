"""One readable recipe per run; each a few lines on top of ``base``."""
