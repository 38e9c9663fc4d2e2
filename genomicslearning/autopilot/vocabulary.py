"""The words that a job is described in; SageMaker Autopilot's where it has one."""

BACKENDS = ("local", "sagemaker")
PRESET_NAMES = ("quick", "balanced", "best")
EXTRA_CANDIDATES = ("lightgbm",)
# Libraries beside scikit-learn, and the types of theirs that a model may hold: loading one runs no code from the file
# (LightGBM reads its trees from its own text format).
LIBRARY_TYPES = {"lightgbm": ("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier")}
# Candidates that need a library beside scikit-learn.
LIBRARY_OF = dict.fromkeys(
    ("boosting", "boosting_columns", "boosting_regularised", "boosting_random", *EXTRA_CANDIDATES), "lightgbm"
)
OBJECTIVES = {
    "AUC": "area under the ROC curve",
    "AveragePrecision": "average precision of CLASS 1",
    "F1": "F1 of CLASS 1 at the best threshold",
    "Accuracy": "share of right labels at the best threshold",
    "LogLoss": "mean log likelihood (minus log loss)",
}
