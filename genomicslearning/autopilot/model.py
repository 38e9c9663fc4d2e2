"""A trained model: pipelines, their weights, calibration and threshold, in a folder that loads without running code."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from genomicslearning import InputError
from genomicslearning.autopilot.calibration import calibrated
from genomicslearning.autopilot.ensemble import blend
from genomicslearning.autopilot.manifest import FORMAT, extra_libraries
from genomicslearning.autopilot.scoring import positive
from genomicslearning.features import ScoredFeatures, Variants

MANIFEST, WEIGHTS = "manifest.json", "model.skops"
# Beside what skops itself trusts (scikit-learn estimators, NumPy arrays) a model may hold these types and nothing else.
# Loading any of them runs no code from the file (LightGBM reads its trees from its own text format).
TRUSTED = [
    "collections.OrderedDict",
    "genomicslearning.features.context.ConditionThemes",
    "genomicslearning.features.context.GeneContext",
    "genomicslearning.features.transformers.ScoredFeatures",
    "genomicslearning.features.transformers.TokenScore",
    "genomicslearning.features.transformers.VariantFeatures",
    "genomicslearning.features.transformers.VariantTokens",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]
# Rows that are parsed and scored at a time: bounds memory. The more, the more texts are parsed once for several rows.
CHUNK = 16384
SMALLEST_CHUNK = 1024


class Model:
    """A weighted mean of pipelines' log odds, calibrated.

    Attributes
    ----------
    threshold : probability from which a variant is called conflicting.
    manifest : what is in `manifest.json`: schema, features, classes, threshold, calibration, versions, metrics,
    licence … pipelines : the fitted scikit-learn pipelines by candidate name. The first step of each is its evidence.
    """

    def __init__(self, pipelines: Mapping[str, Pipeline], manifest: dict):
        self.pipelines = dict(pipelines)
        self.manifest = manifest
        for pipeline in self.pipelines.values():
            # Several threads would add up trees' votes in a different order each time.
            if hasattr(pipeline[-1], "n_jobs"):
                pipeline[-1].n_jobs = 1

    @property
    def threshold(self) -> float:
        return self.manifest["threshold"]

    def predict(self, table: pd.DataFrame | Variants, *, threads: int | None = None) -> np.ndarray:
        """P(CLASS=1) of each row.

        Parameters
        ----------
        table : as `read_table` gives it, or `Variants` parsed from one. CLASS is not read.
        threads : chunks at a time; by default one a core. Predictions do not depend on it.

        Returns
        -------
        ndarray of float64, one a row, in the table's order.
        """
        if not len(table):
            return np.zeros(0)
        threads = threads or os.cpu_count() or 1
        size = min(CHUNK, max(SMALLEST_CHUNK, -(-len(table) // threads)))
        chunks = [slice(start, start + size) for start in range(0, len(table), size)]
        if threads == 1 or len(chunks) == 1:
            return np.concatenate([self._chunk(table, rows) for rows in chunks])
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(lambda rows: self._chunk(table, rows), chunks)))

    def _chunk(self, table: pd.DataFrame | Variants, rows: slice) -> np.ndarray:
        """Parse and score a chunk: one thread parses while another, outside Python's lock, walks trees."""
        features = self.manifest["features"]
        if isinstance(table, Variants):
            return self._probabilities(Variants.read(table, features).take(np.arange(len(table))[rows]))
        return self._probabilities(Variants.read(table.iloc[rows], features))

    def _probabilities(self, variants: Variants) -> np.ndarray:
        evidence: dict[int, object] = {}
        members = [
            positive(pipeline[1:], _transformed(pipeline[0], variants, evidence))
            for pipeline in self.pipelines.values()
        ]
        weights = [self.manifest["members"][name]["weight"] for name in self.pipelines]
        return calibrated(blend(members, weights), self.manifest["calibration"])

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the model's folder; it appears whole or not at all, and replaces an earlier one."""
        folder = Path(folder)
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        skops.io.dump(self.pipelines, part / WEIGHTS, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
        (part / MANIFEST).write_text(json.dumps(self.manifest, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Model:
        """Load a model's folder. Nothing in it is executed.

        Raises
        ------
        InputError
            The folder is missing or incomplete, or holds types that a model has no use for.
        """
        folder = Path(folder)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{folder}: no {MANIFEST}; give the model folder that a job wrote") from None
        except json.JSONDecodeError as problem:
            raise InputError(f"{folder / MANIFEST}: {problem}; the model folder is damaged") from None
        if manifest.get("backend") == "sagemaker":
            raise InputError(f"{folder}: this model lives on SageMaker; use endpoint.deploy, nothing is loaded here")
        if manifest.get("format") != FORMAT:
            raise InputError(
                f"{folder / MANIFEST}: format {manifest.get('format')}, this version reads {FORMAT}; train again"
            )
        try:
            return cls(skops.io.load(folder / WEIGHTS, trusted=TRUSTED), manifest)
        except UntrustedTypesFoundException:
            foreign = sorted(set(skops.io.get_untrusted_types(file=folder / WEIGHTS)) - set(TRUSTED))
            raise InputError(
                f"{folder / WEIGHTS}: holds {', '.join(foreign[:3])}; not loaded, a model has no such types"
            ) from None
        except FileNotFoundError:
            raise InputError(f"{folder}: no {WEIGHTS}; give the model folder that a job wrote") from None
        except (ImportError, OSError) as problem:
            extra = ",".join(extra_libraries(manifest["members"]))
            what = f"install what its members need: pip install 'genomicslearning[{extra}]'" if extra else "check it"
            raise InputError(f"{folder / WEIGHTS}: {problem}; {what}") from None
        except zipfile.BadZipFile:
            raise InputError(f"{folder / WEIGHTS}: damaged or cut off; copy the model folder again") from None


def _transformed(step, variants: Variants, kept: dict[int, object]):
    """An evidence step's output; members that share a step, or its columns, share the output."""
    if id(step) not in kept:
        if isinstance(step, ScoredFeatures):
            parts = (_transformed(part, variants, kept) for part in (step.columns_, step.token_score_))
            kept[id(step)] = ScoredFeatures.joined(*parts)
        else:
            kept[id(step)] = step.transform(variants)
    return kept[id(step)]
