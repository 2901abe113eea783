"""Where peaks lie: warps of both axes, and registration, which finds them."""
