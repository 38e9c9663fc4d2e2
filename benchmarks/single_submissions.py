"""What single submissions teach, and who gets a second one: figures of docs/evaluation.md.

Run:  python benchmarks/single_submissions.py [SECTION…] --data ../shared/data --out FOLDER
Sections (default: all): teaching, enough, pairs, second, peer.

`teaching` compares ways to make training rows by cross-validation inside the training rows of the time split (nothing
later than 2016-05 is read), whole genes held out, over several draws, since one draw differs from another by as much as
the ways do; `enough` asks from how many real transitions on drawn submissions no longer help; `pairs` whether every two
releases teach more than each variant's last state. What the product does (`history.splits.learning_rows`) is what they
choose.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from functools import cached_property
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from sections import run_sections
from sklearn.metrics import average_precision_score, log_loss, precision_recall_fscore_support, roc_auc_score
from sklearn.model_selection import GroupKFold

from genomicslearning import autopilot
from genomicslearning.clinvar import PRIOR_COLUMNS
from genomicslearning.evaluation.second_submission_model import SecondSubmissions, became, figures
from genomicslearning.features.transformers import VariantFeatures
from genomicslearning.history.releases import read_release
from genomicslearning.history.splits import gene_groups, split
from genomicslearning.history.submissions import UNCERTAIN, AlignedRelease, stated_class
from genomicslearning.training_set.table import read_table

SEED = 200
ASSEMBLY = "GRCh37"
DAYS = ("2015-11-16", "2016-05-20")
TABLE_DATE, LATEST = date(2018, 4, 1), date(2026, 2, 26)
REPEATS = 3  # draws, and seeds of the folds, averaged
MODEL = {"n_estimators": 150, "learning_rate": 0.06, "num_leaves": 31, "min_child_samples": 20, "reg_lambda": 5.0,
         "feature_fraction": 0.3, "max_bin": 63, "n_jobs": 1, "verbosity": -1}  # fmt: skip


class Rows:
    """Rows to learn from, as numbers: of each its variant, whether its submission is real, its label, its weight."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, variant: np.ndarray, weight: np.ndarray | None = None):
        self.features, self.labels, self.variant = features, labels, variant
        self.weight = np.ones(len(labels)) if weight is None else weight

    def of(self, chosen: np.ndarray) -> Rows:
        return Rows(self.features[chosen], self.labels[chosen], self.variant[chosen], self.weight[chosen])

    def times(self, count: int) -> Rows:
        repeated = np.repeat(np.arange(len(self.labels)), count)
        return self.of(repeated)

    def __add__(self, other: Rows) -> Rows:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Rows(*(np.concatenate(pair) for pair in pairs))


class Material:
    """A table's variants in a release: their real single submissions, and submissions drawn of the others."""

    def __init__(self, table: pd.DataFrame, labels: pd.Series, states: list[AlignedRelease], source: AlignedRelease):
        self._source, self._table = source, table
        prior = pd.DataFrame(np.nan, index=table.index, columns=list(PRIOR_COLUMNS), dtype="str")
        self.real = np.zeros(len(table), dtype=bool)
        for state in states:
            prior.loc[state.single] = state.prior()[state.single]
            self.real |= state.single
        self.labels = labels.to_numpy(int)
        # Groups of rows are what a time split has: no gene and no place is learnt by itself.
        self.maker = VariantFeatures("prospective", without=("locus", "gene")).fit(table.assign(**self.drawn(0)))
        self.transitions = self._rows(prior, self.real)
        self.said = prior["prior_CLNSIG"].map(stated_class, na_action="ignore").to_numpy(dtype=object)

    def drawn(self, number: int) -> pd.DataFrame:
        return self._source.drawn(self._table, seed=SEED + number)

    def draws(self, count: int, first: int, *, of_all: bool = False) -> Rows:
        """So many draws of each variant without a real single submission, or of every one."""
        chosen = np.ones(len(self.real), dtype=bool) if of_all else ~self.real
        found = [self._rows(self.drawn(number), chosen) for number in range(first, first + count)]
        return sum(found[1:], found[0])

    def every_class(self, first: int, *, weighted: bool) -> Rows:
        """Each classification of a variant that twelve draws show, once; weighted, a variant counts once in all."""
        numbers = range(first, first + 12)
        draws = pd.concat([self.drawn(number).assign(row=np.arange(len(self.real))) for number in numbers])
        draws = draws[draws["prior_CLNSIG"].notna() & ~self.real[draws["row"]]].drop_duplicates(["row", "prior_CLNSIG"])
        rows = draws["row"].to_numpy()
        weight = 1 / np.bincount(rows, minlength=len(self.real))[rows] if weighted else None
        table = self._table.iloc[rows].assign(**{name: draws[name].to_numpy() for name in PRIOR_COLUMNS})
        return Rows(self.maker.transform(table).to_numpy(np.float32), self.labels[rows], rows, weight)

    def _rows(self, prior: pd.DataFrame, chosen: np.ndarray) -> Rows:
        rows = np.flatnonzero(chosen)
        table = self._table.assign(**prior).iloc[rows]
        return Rows(self.maker.transform(table).to_numpy(np.float32), self.labels[rows], rows)


def judged(
    make: Callable[[int], Rows], held: Rows, groups: np.ndarray, uncertain: np.ndarray, repeats: int = REPEATS
) -> dict:
    """Five folds of genes, `repeats` times: learn from the rows of a draw, judge by the real single submissions."""
    found = []
    for number in range(repeats):
        rows, seed = make(3 * number), SEED + number
        chance = np.zeros(len(held.labels))
        for _, out in GroupKFold(5, shuffle=True, random_state=seed).split(held.labels, groups=groups[held.variant]):
            kept = ~np.isin(groups[rows.variant], groups[held.variant[out]])
            model = lgb.LGBMClassifier(**MODEL, random_state=seed)
            model.fit(rows.features[kept], rows.labels[kept], sample_weight=rows.weight[kept])
            chance[out] = model.predict_proba(held.features[out])[:, 1]
        found.append(
            {
                "roc_auc": roc_auc_score(held.labels, chance),
                "average_precision": average_precision_score(held.labels, chance),
                "within_uncertain": roc_auc_score(held.labels[uncertain], chance[uncertain]),
                "log_loss": log_loss(held.labels, chance),
                "predicted": chance.mean(),
            }
        )
    table = pd.DataFrame(found)
    spread = {"roc_auc_spread": float(np.ptp(table["roc_auc"]))}
    return {"rows": len(rows.labels)} | table.mean().to_dict() | spread | {"observed": held.labels.mean()}


class Bench:
    """The data, and the folder that keeps results."""

    def __init__(self, data: Path, out: Path):
        self.data, self.out = data, out
        self.table = read_table(data / "clinvar_kaggle" / "clinvar_conflicting.csv.zip")
        self.paths = [data / "clinvar_tsv" / f"clinvar_{day}_b37.tsv.gz" for day in DAYS]

    @cached_property
    def releases(self) -> list:
        latest = self.data / "clinvar_2026" / "clinvar_2026-02_half_of_genes_b37.tsv.gz"
        return [read_release(path, assembly=ASSEMBLY) for path in (*self.paths, latest)]

    def keep(self, name: str, rows: list[dict]) -> None:
        found = pd.DataFrame(rows)
        (self.out / f"{name}.json").write_text(json.dumps(rows, indent=1, default=float) + "\n")
        print(found.round(4).to_string(index=False), flush=True)

    def teaching(self) -> None:
        """Alternatives, learnt and judged inside the labels of 2016-05: by 1,131 transitions from 2015-11."""
        older, newest, _ = self.releases
        label = AlignedRelease(newest, self.table).label()
        table = self.table[label.notna()].reset_index(drop=True)
        source = AlignedRelease(newest, table)
        made = Material(table, label[label.notna()], [AlignedRelease(older, table)], source)
        real, groups = made.transitions, gene_groups(table)
        alternatives: dict[str, Callable[[int], Rows]] = {
            "transitions alone": lambda first: real,
            "one draw of every variant, no transition": lambda first: made.draws(1, first, of_all=True),
            "one draw of the others": lambda first: made.draws(1, first) + real,
            "three draws of the others": lambda first: made.draws(3, first) + real,
            "one draw, transitions three times": lambda first: made.draws(1, first) + real.times(3),
            "one draw, of transitions too": lambda first: made.draws(1, first, of_all=True) + real,
            "every class once": lambda first: made.every_class(first, weighted=False) + real,
            "every class once, weighted": lambda first: made.every_class(first, weighted=True) + real,
        }
        uncertain = made.said[real.variant] == UNCERTAIN
        self.keep(
            "teaching", [{"rows are": n} | judged(make, real, groups, uncertain) for n, make in alternatives.items()]
        )

    def enough(self) -> None:
        """Ten-year transitions of other genes: so many of them alone, and with a draw of each other variant."""
        _, newest, latest = self.releases
        label = AlignedRelease(latest, self.table).label()
        table = self.table[label.notna()].reset_index(drop=True)
        state = AlignedRelease(newest, table)
        made = Material(table, label[label.notna()], [state], state)
        real, groups = made.transitions, gene_groups(table)
        uncertain, drawn = made.said[real.variant] == UNCERTAIN, made.draws(1, 0)
        order, rows = np.random.default_rng(SEED).permutation(len(real.labels)), []
        for count in (500, 1000, 2000, 4000, len(order)):
            some = real.of(order[:count])
            for name, taught in (("alone", some), ("with draws", some + drawn)):
                found = judged(lambda first, taught=taught: taught, real, groups, uncertain, repeats=1)
                rows.append({"transitions": count, "taught": name} | found)
        self.keep("enough", rows)

    def pairs(self) -> None:
        """Every two of 2015-11, 2016-05, the table and 2026-02, judged from 2016-05 to the table and to 2026-02."""
        states = [AlignedRelease(release, self.table) for release in self.releases]
        labels = {1: states[1].label(), 2: self.table["CLASS"].astype(float), 3: states[2].label()}
        days = [*(date.fromisoformat(day) for day in DAYS), TABLE_DATE, LATEST]
        tables = [self.table.assign(**state.prior()) for state in states[:2]]
        maker = VariantFeatures("prospective", without=("locus", "gene")).fit(tables[1])
        features = [maker.transform(table).to_numpy(np.float32) for table in tables]
        found = {}
        for start, end in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3)):
            rows = np.flatnonzero(states[start].single & labels[end].notna().to_numpy())
            horizon = np.full((len(rows), 1), (days[end] - days[start]).days, np.float32)
            label = labels[end].iloc[rows].to_numpy(int)
            found[start, end] = Rows(np.hstack([features[start][rows], horizon]), label, rows)
        groups, said = gene_groups(self.table), states[1].prior()["prior_CLNSIG"]
        uncertain = said.map(stated_class, na_action="ignore").to_numpy(dtype=object) == UNCERTAIN
        figures_of = []
        for end in (2, 3):
            held = found[1, end]
            earlier = found[0, end].of(~np.isin(found[0, end].variant, held.variant))
            shorter = [pair for pair in found if pair[1] <= end and pair != (1, end)]
            alternatives = {
                "each variant's last state": held + earlier,
                "every two releases, horizon a feature": sum((found[pair] for pair in shorter), held),
            }
            figures_of += [
                {"judged by": str(days[end]), "rows are": name}
                | judged(lambda first, rows=rows: rows, held, groups, uncertain[held.variant])
                for name, rows in alternatives.items()
            ]
        self.keep("pairs", figures_of)

    def second(self) -> None:
        """A second submission: learnt from 2015-11 to 2016-05, judged forward on all single submitters of 2016-05."""
        older, newest, latest = self.releases
        model = SecondSubmissions.learn(older, newest)
        rows = [{"learnt": f"{DAYS[0]} to {DAYS[1]}", "judged": "the same, genes held out"} | model.held_out]
        parts = split(self.table, "time", earlier=self.paths, assembly=ASSEMBLY, table_date=TABLE_DATE)
        if parts.single_submitters is None:
            raise AssertionError("a time split has single submitters")
        second = parts.single_submitters["second"].to_numpy(bool)
        chance = model.predict(parts.single_submitters, newest)
        rows.append({"learnt": rows[0]["learnt"], "judged": f"{DAYS[1]} to 2018"} | figures(second, chance))
        singles, several = became(newest, latest)
        chance = model.predict(singles, newest)
        rows.append({"learnt": rows[0]["learnt"], "judged": f"{DAYS[1]} to 2026"} | figures(several, chance))
        self.keep("second", rows)

    def peer(self) -> None:
        """The conflict class at the job's threshold, in the form of Ghaedi, Davey and Feilotter (2023)."""
        rows = []
        for name, kind, features in (
            ("random split, all features", "random", "all"),
            ("random split, biology", "random", "biology"),
            ("later set, biology", "time", "biology"),
            ("later set, prospective", "time", "prospective"),
        ):
            given = {"earlier": self.paths, "assembly": ASSEMBLY} if kind == "time" else {}
            parts = split(self.table, kind, seed=SEED, **given)
            learning, groups = parts.to_learn_from() if features == "prospective" else (parts.train, None)
            job = autopilot.start(
                learning, folder=self.out / "jobs", name=f"peer-{kind}-{features}", preset="quick", features=features,
                groups=groups, seed=SEED, progress=lambda text: None,
            )  # fmt: skip
            model = job.wait().model()
            truth = parts.test["CLASS"].to_numpy()
            rows.append({"what": name} | conflict_class(truth, model.predict(parts.test) >= model.threshold))
            rows.append({"what": name + ", always yes"} | conflict_class(truth, np.ones(len(truth), bool)))
        self.keep("peer", rows)


def conflict_class(truth: np.ndarray, called: np.ndarray) -> dict:
    """Precision, recall and F1 of the conflict class, and accuracy beside that of always saying no."""
    precision, recall, f1, _ = precision_recall_fscore_support(truth, called, average="binary", zero_division=0)
    return {
        "precision": precision, "recall": recall, "f1": f1, "accuracy": (called == truth).mean(),
        "accuracy_always_no": (truth == 0).mean(),
    }  # fmt: skip


SECTIONS = ("teaching", "enough", "pairs", "second", "peer")


if __name__ == "__main__":
    run_sections(Bench, SECTIONS, __doc__, "runs/benchmarks/single_submissions")
