"""From instrument files to records on one grid and one scale: grid, baseline, alignment, scale, inspection, conversion."""
