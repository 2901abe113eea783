"""Which random changes the records of a class have, how large they are, and how to make them."""
