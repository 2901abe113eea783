"""Pages: one module each, and what they share."""
