"""Do synthetic records look real, are they copies, are latents Gaussian?"""
