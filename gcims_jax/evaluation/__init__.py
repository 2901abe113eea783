"""Do synthetic records help? Splits, scoring, classifiers, results and the verdict."""
