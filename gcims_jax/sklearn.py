"""For pipelines of scikit-learn and imbalanced-learn: an over-sampler of records, and a classifier that learns from more of them.

>>> from imblearn.pipeline import make_pipeline
>>> from sklearn.datasets import make_classification
>>> from sklearn.model_selection import cross_val_score
>>> from sklearn.svm import SVC
>>> X, y = make_classification(60, 30, n_informative=5, weights=[0.8], random_state=0)
>>> pipeline = make_pipeline(RecordAugmenter("mix", random_state=0), SVC())
>>> cross_val_score(pipeline, X, y, cv=3).shape
(3,)
"""

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

try:
    from imblearn.over_sampling.base import BaseOverSampler
    from imblearn.utils import check_target_type
except ImportError as error:
    raise ImportError("gcims_jax.sklearn needs imbalanced-learn: pip install imbalanced-learn") from error

from gcims_jax import synthesis
from gcims_jax.errors import InputError
from gcims_jax.records import Records

# Records keep their points: whoever halves an axis does it in a step before this one.
WHOLE = {"slow_level": 0, "fast_level": 0}


class RecordAugmenter(BaseOverSampler):
    """Adds synthetic records to training records; an over-sampler of imbalanced-learn.

    Args:
      generator: a key of ``gcims_jax.generators.GENERATORS``.
      options: of the generator, by name.
      ratio: synthetic records of every class beyond what ``sampling_strategy`` asks for, as a share of the largest class; the dose
        that ``gcims_jax.evaluate`` calls balanced. 0 only brings classes to one size.
      sampling_strategy: as in imbalanced-learn. Where it is a number, a dict or a function, it alone says how many there will be.
      shape: (R, T) of the records whose points are the columns of a two-dimensional X; None takes each row as a single series.
        A three-dimensional X has its shape.
      random_state: as in scikit-learn.

    Attributes:
      sampling_strategy_: synthetic records of each class.
      fitted_: what ``gcims_jax.sample`` takes; its labels are positions among the sorted classes.
    """

    _parameter_constraints = {
        **BaseOverSampler._parameter_constraints,
        "generator": [str],
        "options": [Mapping, None],
        "ratio": [numbers.Real],
        "shape": ["array-like", None],
    }

    def __init__(
        self,
        generator: str = "tuned_warp",
        options: Mapping[str, Any] | None = None,
        ratio: float = 1.0,
        sampling_strategy: Any = "auto",
        shape: tuple[int, int] | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.generator = generator
        self.options = options
        self.ratio = ratio
        self.shape = shape
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any, groups: Any = None) -> tuple[Any, Any]:
        """The records that were given, and synthetic ones behind them.

        Args:
          X: records, N×R×T, or N×F rows as ``shape`` says; arrays, lists or data frames.
          y: labels of any kind.
          groups: physical sample, batch or day of each, which generators leave out as a whole where they choose.

        Returns:
          X and y in the form in which they came.

        Raises:
          InputError: an unknown generator or option, a shape that does not fit, equal records under two labels.
        """
        return super().fit_resample(X, y, groups=groups)

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[np.ndarray, np.ndarray, bool]:  # noqa: N802
        self._cube = np.shape(X)[1:] if _are_records(X) else None
        return super()._check_X_y(_rows(X), y, accept_sparse)

    def _fit_resample(self, X: np.ndarray, y: np.ndarray, groups: Any = None) -> tuple[np.ndarray, np.ndarray]:
        if not 0.0 <= self.ratio < np.inf:
            raise InputError(f"RecordAugmenter: expected a ratio of 0 or more, got {self.ratio}")
        shape = self._cube or tuple(self.shape or (1, X.shape[1]))
        if len(shape) != 2 or int(np.prod(shape)) != X.shape[1]:
            raise InputError(
                f"RecordAugmenter: expected a shape (R, T) of the {X.shape[1]} columns of X, got {shape}; give R and T whose product "
                "is the number of columns"
            )
        if issparse(X):
            dense, y_res = self._fit_resample(X.toarray(), y, groups)
            return type(X)(dense), y_res
        classes_K, class_N, counts_K = np.unique(y, return_inverse=True, return_counts=True)
        wanted_K = np.array([self.sampling_strategy_.get(label, 0) for label in classes_K.tolist()])
        if isinstance(self.sampling_strategy, str):
            wanted_K += round(self.ratio * counts_K.max())
        self.sampling_strategy_ = dict(zip(classes_K.tolist(), wanted_K.tolist(), strict=True))
        rng = check_random_state(self.random_state)
        fit_seed, draw_seed = rng.randint(2**31 - 1, size=2)
        records = Records.from_arrays(X.reshape(-1, *shape), class_N, groups)
        self.fitted_ = synthesis.fit(records, self.generator, fit_seed, preprocess=WHOLE, **(self.options or {}))
        X_res, y_res = X, y
        if wanted_K.sum():
            made = synthesis.sample(self.fitted_, dict(enumerate(wanted_K.tolist())), draw_seed)
            X_res = np.concatenate([X, made.values.reshape(len(made), -1).astype(X.dtype)])
            y_res = np.concatenate([y, classes_K[made.labels]])
        return X_res.reshape(-1, *(self._cube or X.shape[1:])), y_res

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _learned(name: str) -> Callable[["AugmentedClassifier"], bool]:
    """Whether the classifier has a method."""
    return lambda self: hasattr(getattr(self, "classifier_", self.classifier), name)


class AugmentedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier that learns from records and synthetic ones, and is asked about records alone.

    As ``make_pipeline(RecordAugmenter(generator), classifier)`` of imbalanced-learn, for records N×R×T as well, which the
    classifier sees as rows, and with ``groups`` as an argument of ``fit``.

    Args:
      classifier: of scikit-learn.
      generator, options, ratio, sampling_strategy, shape, random_state: of ``RecordAugmenter``.

    Attributes:
      classifier_: fitted.
      augmenter_: fitted.
      classes_: labels.
    """

    def __init__(
        self,
        classifier: Any,
        generator: str = "tuned_warp",
        options: Mapping[str, Any] | None = None,
        ratio: float = 1.0,
        sampling_strategy: Any = "auto",
        shape: tuple[int, int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.classifier = classifier
        self.generator = generator
        self.options = options
        self.ratio = ratio
        self.sampling_strategy = sampling_strategy
        self.shape = shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> "AugmentedClassifier":
        """Learns from records and from synthetic ones made of them.

        Args:
          X, y, groups: see ``RecordAugmenter.fit_resample``.
        """
        check_classification_targets(y)
        check_target_type(y)
        shape = np.shape(X)[1:] if _are_records(X) else self.shape
        rows, y = validate_data(self, _rows(X), y)
        options = {name: value for name, value in self.get_params(deep=False).items() if name != "classifier"}
        self.augmenter_ = RecordAugmenter(**{**options, "shape": shape})
        rows, y = self.augmenter_.fit_resample(rows, y, groups)
        self.classifier_ = clone(self.classifier).fit(rows, y)
        self.classes_ = self.classifier_.classes_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The label of each record."""
        return self._ask("predict", X)

    @available_if(_learned("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, N×K."""
        return self._ask("predict_proba", X)

    @available_if(_learned("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """The score of each class."""
        return self._ask("decision_function", X)

    def _ask(self, method: str, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return getattr(self.classifier_, method)(validate_data(self, _rows(X), reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _rows(X: Any) -> Any:
    """Records N×R×T as rows; anything else as it is."""
    return np.reshape(X, (len(X), -1)) if _are_records(X) else X


def _are_records(X: Any) -> bool:
    """Whether this is N×R×T; data frames and what is not yet an array are not."""
    return (np.ndim(X) if isinstance(X, (list, tuple)) else getattr(X, "ndim", 0)) == 3
