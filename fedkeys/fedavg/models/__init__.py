"""Models that federate: weights as one flat vector, gradients for one client or for many at once.

In: weights, data, labels. Out: loss, gradient, predictions. Law: `gradient` is that of `loss`, exactly (a test
differentiates numerically). The public face follows scikit-learn: `partial_fit`, `predict`, `predict_proba`,
`score`, `coef_`, `intercept_`, `get_params`.
"""

from fedkeys.fedavg.models.base import Model
from fedkeys.fedavg.models.estimator import EstimatorModel
from fedkeys.fedavg.models.linear import LinearRegression, LinearSVM, LogisticRegression
from fedkeys.fedavg.models.mlp import MLPClassifier

__all__ = ["EstimatorModel", "LinearRegression", "LinearSVM", "LogisticRegression", "MLPClassifier", "Model"]
