"""Classifiers that judge whether synthetic records help; all scikit-learn, all fitted on training arrays only."""

import dataclasses
from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.svm import SVC

from gcims_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """Which classifier, and its size.

    Attributes:
      name: a key of ``CLASSIFIERS``.
      components: principal components; fewer where the training set has fewer (see ``capped_components``).
      trees: of the random forest; rounds of boosting.
      class_weights: every class counts the same, however few its records; the support vector machine and logistic regression
        always do that, PLS-DA and nearest neighbour cannot.
    """

    name: str = "pca_rf"
    components: int = 22
    trees: int = 100
    class_weights: bool = False

    def __post_init__(self) -> None:
        if self.name not in CLASSIFIERS:
            raise InputError(f"classifier.name: expected one of {sorted(CLASSIFIERS)}, got {self.name!r}")
        for name in ("components", "trees"):
            if getattr(self, name) < 1:
                raise InputError(f"classifier.{name}: expected 1 or more, got {getattr(self, name)}")


def _pca_rf(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """The paper's: principal components, then a random forest."""
    weight = "balanced" if config.class_weights else None
    # One thread: for a few hundred records starting more takes longer than the trees.
    forest = RandomForestClassifier(config.trees, class_weight=weight, random_state=seed)
    return make_pipeline(PCA(components, random_state=seed), forest)


def _pca_logistic(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Principal components, standardised, then multinomial logistic regression."""
    return make_pipeline(
        PCA(components, random_state=seed), StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
    )


class _KernelSvm(ClassifierMixin, BaseEstimator):
    """scikit-learn's SVC with its default Gaussian kernel, the kernel as one matrix product.

    Thousands of whole records take ten times as long where libsvm forms the kernel itself, pair by pair.
    """

    def __init__(self, C: float, seed: int) -> None:
        self.C = C
        self.seed = seed

    def fit(self, features_NxF: np.ndarray, labels_N: np.ndarray) -> "_KernelSvm":
        self.train_NxF_ = np.asarray(features_NxF, np.float32)
        variance = float(self.train_NxF_.var(dtype=np.float64))
        self.gamma_ = 1.0 / (self.train_NxF_.shape[1] * variance) if variance > 0.0 else 1.0
        self.machine_ = SVC(C=self.C, kernel="precomputed", class_weight="balanced", random_state=self.seed)
        self.machine_.fit(self._kernel(self.train_NxF_), labels_N)
        self.classes_ = self.machine_.classes_
        return self

    def predict(self, features_NxF: np.ndarray) -> np.ndarray:
        return self.machine_.predict(self._kernel(np.asarray(features_NxF, np.float32)))

    def _kernel(self, features_MxF: np.ndarray) -> np.ndarray:
        """exp(-γ·|a-b|²) against the training records, in place: scikit-learn's own goes through float64 and takes four times as long."""
        kernel_MxN = -2.0 * (features_MxF @ self.train_NxF_.T)
        kernel_MxN += np.einsum("mf,mf->m", features_MxF, features_MxF)[:, None]
        kernel_MxN += np.einsum("nf,nf->n", self.train_NxF_, self.train_NxF_)
        np.maximum(kernel_MxN, 0.0, out=kernel_MxN)
        kernel_MxN *= -self.gamma_
        return np.exp(kernel_MxN, out=kernel_MxN)


def _svm(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Support vector machine with a Gaussian kernel on whole records, classes weighted equally."""
    return _KernelSvm(10.0, seed)


class _PlsDa(ClassifierMixin, BaseEstimator):
    """Partial least squares on class indicators; the class with the largest prediction (Barker & Rayens 2003)."""

    def __init__(self, components: int) -> None:
        self.components = components

    def fit(self, features_NxF: np.ndarray, labels_N: np.ndarray) -> "_PlsDa":
        indicators = LabelBinarizer().fit(labels_N)
        self.classes_ = indicators.classes_
        targets = indicators.transform(labels_N)
        # With two classes the binariser gives one column, the indicator of the second.
        targets_NxK = np.hstack([1 - targets, targets]) if targets.shape[1] == 1 else targets
        self.regression_ = PLSRegression(self.components, scale=False).fit(features_NxF, targets_NxK)
        return self

    def predict(self, features_NxF: np.ndarray) -> np.ndarray:
        return self.classes_[np.argmax(self.regression_.predict(features_NxF), axis=1)]


def _pls_da(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Chemometrics' usual: partial least squares discriminant analysis on whole records."""
    return _PlsDa(components)


def _pca_boosting(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Principal components, then gradient-boosted trees."""
    boosting = HistGradientBoostingClassifier(
        max_iter=config.trees,
        min_samples_leaf=5,
        class_weight="balanced" if config.class_weights else None,
        random_state=seed,
    )
    return make_pipeline(PCA(components, random_state=seed), boosting)


def _pca_nearest(config: ClassifierConfig, components: int, seed: int) -> ClassifierMixin:
    """Principal components, then the class of the nearest record."""
    return make_pipeline(PCA(components, random_state=seed), KNeighborsClassifier(1))


CLASSIFIERS: dict[str, Callable[[ClassifierConfig, int, int], ClassifierMixin]] = {
    "pca_rf": _pca_rf,
    "pca_logistic": _pca_logistic,
    "svm": _svm,
    "pls_da": _pls_da,
    "pca_boosting": _pca_boosting,
    "pca_nearest": _pca_nearest,
}


def capped_components(config: ClassifierConfig, n_records: int, n_features: int) -> int:
    """Components that the data allow: centred records span at most n - 1 directions."""
    return max(1, min(config.components, n_records - 1, n_features))


def fit(config: ClassifierConfig, train_NxRxT: np.ndarray, labels_N: np.ndarray, seed: int) -> ClassifierMixin:
    """Fits a classifier on training records, real or synthetic."""
    features_NxF = train_NxRxT.reshape(len(train_NxRxT), -1)
    components = capped_components(config, *features_NxF.shape)
    return CLASSIFIERS[config.name](config, components, seed).fit(features_NxF, labels_N)


def predict(classifier: ClassifierMixin, x_NxRxT: np.ndarray) -> np.ndarray:
    """Predicted label of each record."""
    return classifier.predict(x_NxRxT.reshape(len(x_NxRxT), -1))
