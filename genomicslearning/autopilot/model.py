"""A trained model: pipelines, their weights, calibration and threshold, in a folder that loads without running code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from genomicslearning import InputError, install
from genomicslearning.autopilot import integrity, probe
from genomicslearning.autopilot.calibration import calibrated
from genomicslearning.autopilot.ensemble import blend
from genomicslearning.autopilot.manifest import FORMAT, extra_libraries
from genomicslearning.autopilot.scoring import member_probabilities
from genomicslearning.autopilot.vocabulary import LIBRARY_TYPES
from genomicslearning.features import Variants
from genomicslearning.io import lake
from genomicslearning.io.limits import advice, limit
from genomicslearning.io.text import first_line, one_line

MANIFEST, WEIGHTS = "manifest.json", "model.skops"
# Beside what skops itself trusts (scikit-learn estimators, NumPy arrays) a model may hold these types and nothing else.
# Loading any of them runs no code from the file.
TRUSTED = [
    "collections.OrderedDict",
    "genomicslearning.features.context.ConditionThemes",
    "genomicslearning.features.context.GeneContext",
    "genomicslearning.features.rates.GeneRates",
    "genomicslearning.features.transformers.PartedColumns",
    "genomicslearning.features.transformers.ScoredFeatures",
    "genomicslearning.features.transformers.TokenScore",
    "genomicslearning.features.transformers.VariantFeatures",
    "genomicslearning.features.transformers.VariantTokens",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    *(name for types in LIBRARY_TYPES.values() for name in types),
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
        """Probability from which a variant is called conflicting."""
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
        try:
            members = member_probabilities(self.pipelines.values(), variants)
        except ValueError as problem:  # scikit-learn's word for evidence that is not finite: weights that were forged
            raise InputError(f"the model cannot score these rows ({first_line(problem)}); train again") from problem
        weights = [self.manifest["members"][name]["weight"] for name in self.pipelines]
        return calibrated(blend(members, weights), self.manifest["calibration"])

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the model's folder; it appears whole or not at all, and replaces an earlier model, nothing else.

        Equal models have equal bytes.
        """
        folder = Path(folder)
        if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: holds something else than a model; choose another folder")
        weights = integrity.same_bytes(skops.io.dumps(self.pipelines))
        probed = np.asarray(self.predict(probe.rows(), threads=1)).tolist()
        text = integrity.sealed(self.manifest | {"probe": probed}, weights)
        with lake.output_folder(folder) as part:
            (part / WEIGHTS).write_bytes(weights)
            (part / MANIFEST).write_text(text, encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Model:
        """Load a model's folder. Nothing in it is executed.

        Raises
        ------
        InputError
            The folder is missing or incomplete, its files do not belong together, it holds types that a model has no
            use for or more than the limits allow, or the installed libraries let it predict otherwise.
        """
        folder = Path(folder)
        _check_there(folder, MANIFEST)
        manifest = lake.read_json(folder / MANIFEST, "manifest of a model")
        if manifest.get("backend") == "sagemaker":
            raise InputError(f"{folder}: this model lives on SageMaker; use endpoint.deploy, nothing is loaded here")
        if manifest.get("format") != FORMAT:
            raise InputError(
                f"{folder / MANIFEST}: format {one_line(manifest.get('format'), 20)}, this version reads {FORMAT}; "
                "train again"
            )
        _check_there(folder, WEIGHTS)
        if (folder / WEIGHTS).stat().st_size > limit("MODEL_MB") << 20:
            raise InputError(f"{folder}: weights of more than {limit('MODEL_MB'):,} MB; {advice('MODEL_MB')}")
        weights = (folder / WEIGHTS).read_bytes()
        integrity.check_seal(folder, (folder / MANIFEST).read_bytes(), weights)
        integrity.check_manifest(folder, manifest)
        model = cls(_pipelines(folder, weights, manifest), manifest)
        probe.check(folder, manifest, model.predict)
        return model


def _check_there(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise InputError(f"{folder}: no {name}; give the model folder that a job wrote")


def _pipelines(folder: Path, weights: bytes, manifest: dict) -> dict[str, Pipeline]:
    """The pipelines in a model's archive, checked before and after they are built."""
    try:
        integrity.check_archive(folder, weights)
        pipelines = skops.io.loads(weights, trusted=TRUSTED)
        if not isinstance(pipelines, dict) or set(pipelines) != set(manifest["members"]):
            raise InputError(f"{folder}: the weights are not those of the manifest's members; train again")
        for pipeline in pipelines.values():
            for _, step in pipeline.steps:
                integrity.check_trees(folder, step)
        return pipelines
    except InputError:
        raise
    except UntrustedTypesFoundException:
        foreign = sorted(set(skops.io.get_untrusted_types(data=weights)) - set(TRUSTED))
        shown = one_line(", ".join(foreign[:3]), 200)
        raise InputError(f"{folder / WEIGHTS}: holds {shown}; not loaded, a model has no such types") from None
    except (ImportError, OSError) as problem:  # OSError: a library that its own libraries are missing to
        extra = ",".join(extra_libraries(manifest["members"]))
        what = f"install what its members need: {install(extra)}" if extra else "check it"
        raise InputError(f"{folder / WEIGHTS}: {first_line(problem)}; {what}") from None
    except Exception as problem:  # skops raises whatever a node of its tree happens to run into
        why = first_line(problem)
        raise InputError(f"{folder / WEIGHTS}: damaged or forged ({why}); copy the model folder again") from None
