"""The verdict: what a model can be used for and what not, in words that follow from its figures by stated rules."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from genomicslearning.features.blocks import SUBMISSIONS

# Rules of thumb, stated in the report beside each answer. Discrimination: Hosmer & Lemeshow (2000), 0.7 acceptable, 0.8
# excellent; they are held against the lower end of the interval, so that luck does not count.
GOOD_AUC, FAIR_AUC = 0.80, 0.70
GOOD_ECE, FAIR_ECE = 0.02, 0.05
USEFUL_LIFT = 2.0
# Of a larger share of the rows even the best model could hardly have so much more than the share of all: the best half
# of 4,000 holds twice the share of all where not one conflict is missed.
LARGEST_TOP = 0.25
FEW_OF_A_CLASS = 100
FEW_GROUPS = 5

YES, LIMITED, NO = "yes", "with limits", "no"
SELECTION = (
    "Estimated is P(conflicting | several laboratories have classified the variant by the later release). Of variants "
    "with a single submitter in May 2016, 38 % had several two years later and 79 % of those with a known status ten "
    "years later; which ones will is another question."
)
NO_CLINICAL_USE = (
    "No clinical decision by itself: a prediction that laboratories disagree says nothing about who is right."
)


def verdict(
    metrics: dict, *, top: pd.DataFrame | None = None, synthetic: bool = False, groups: Sequence | None = None
) -> pd.DataFrame:
    """Answers to the questions a reviewer asks first.

    Parameters
    ----------
    metrics : as in `metrics.json`.
    top : `precision_at` of the test rows.
    synthetic : whether the data is the embedded sample.
    groups : gene group of each test row, where whole genes were held out.

    Returns
    -------
    DataFrame with `question`, `answer` (yes, with limits, no), `because` (with the figures) and `rule`.
    """
    rows = [
        _ranking(metrics),
        _probabilities(metrics),
        _new_genes(metrics, groups),
        _single_submitters(metrics, top),
        *_beyond_classification(metrics),
        ("Decide about a patient?", NO, NO_CLINICAL_USE, "always"),
    ]
    if synthetic:
        rows.insert(
            0,
            (
                "Say anything about real variants?",
                NO,
                "The data is the embedded synthetic sample.",
                "synthetic data: no",
            ),
        )
    return pd.DataFrame(rows, columns=["question", "answer", "because", "rule"])


def _ranking(metrics: dict) -> tuple[str, str, str, str]:
    low, high = metrics["roc_auc_ci"]
    answer = YES if low >= GOOD_AUC else LIMITED if low >= FAIR_AUC else NO
    because = f"ROC AUC {metrics['roc_auc']:.3f} ({low:.3f} to {high:.3f}) on {metrics['n']:,} test rows"
    if few := _few_of_a_class(metrics):
        answer = NO
        because += few
    return (
        "Rank variants like the test rows by chance of conflict?",
        answer,
        because + ".",
        f"lower end of the interval: yes from {GOOD_AUC:.2f}, with limits from {FAIR_AUC:.2f}; "
        f"no below {FEW_OF_A_CLASS} rows of either class",
    )


def _few_of_a_class(metrics: dict) -> str:
    """What is to be said where either class has too few test rows to judge by; empty where both have enough."""
    conflicting, agreeing = metrics["n_positive"], metrics["n"] - metrics["n_positive"]
    if min(conflicting, agreeing) >= FEW_OF_A_CLASS:
        return ""
    return f", of which only {conflicting} conflict" if conflicting <= agreeing else f", only {agreeing} in agreement"


def _probabilities(metrics: dict) -> tuple[str, str, str, str]:
    error, share = metrics["ece"], metrics["n_positive"] / metrics["n"]
    answer = YES if error <= GOOD_ECE else LIMITED if error <= FAIR_ECE else NO
    because = f"On average a bin of test rows is {100 * error:.1f} points off what was predicted (ECE {error:.3f})"
    if few := _few_of_a_class(metrics):
        answer = NO
        because += f", on {metrics['n']:,} test rows{few}"
    elif metrics["brier"] >= share * (1 - share):
        answer = NO
        because += f", and saying {share:.1%} of every variant would be nearer (Brier score)"
    return (
        "Read the probability as a chance?",
        answer,
        because + ".",
        f"ECE: yes up to {GOOD_ECE:.2f}, with limits up to {FAIR_ECE:.2f}; no below {FEW_OF_A_CLASS} rows of either "
        "class, or where the share of conflicts alone has no larger Brier score",
    )


def few_groups(groups: Sequence | None) -> str:
    """What is to be said where few gene groups were held out; empty where there are enough, or none was."""
    number = 0 if groups is None else len(set(groups))
    if not 0 < number < FEW_GROUPS:
        return ""
    genes = "gene group was" if number == 1 else "gene groups were"
    drawn = ", and intervals are over its rows" if number == 1 else ""
    return f"Only {number} {genes} held out, too few to tell how other genes would do{drawn}."


def _new_genes(metrics: dict, groups: Sequence | None = None) -> tuple[str, str, str, str]:
    question, rule = (
        "Judge genes it has not seen?",
        f"as for ranking, with {FEW_GROUPS} gene groups or more held out; unknown under any other split",
    )
    if metrics["split"] == "gene":
        _, answer, because, _ = _ranking(metrics)
        if few := few_groups(groups):
            return question, NO, f"{few} {because}", rule
        return question, answer, f"Whole genes were held out. {because}", rule
    return question, NO, f"Not tested: the split is {metrics['split']}, run with split gene.", rule


def _single_submitters(metrics: dict, top: pd.DataFrame | None) -> tuple[str, str, str, str]:
    question = "Say today which single-submitter variants will turn out conflicting?"
    best, precision = _best(metrics, top)
    rule = (
        f"time split with features biology or prospective: with limits if the best {best or 'scores'} (the largest top "
        f"of {LARGEST_TOP:.0%} of the rows or fewer) conflict at least {USEFUL_LIFT:g} times as often as all, else no"
    )
    if metrics["features"] == "all":
        blocks = " and ".join(SUBMISSIONS)
        return (
            question,
            NO,
            f"Features “all” read {blocks}, which exist only because several laboratories submitted.",
            rule,
        )
    if metrics["split"] != "time":
        return (
            question,
            NO,
            f"Not tested: the split is {metrics['split']}; it takes --split time and earlier releases.",
            rule,
        )
    prevalence = metrics["n_positive"] / metrics["n"]
    if not best:
        return question, NO, "Too few test rows to look at the highest scores.", rule
    if USEFUL_LIFT * prevalence > 1:
        because = (
            f"{prevalence:.0%} of all test rows conflict: none of them could do so {USEFUL_LIFT:g} times as often."
        )
        return question, NO, because, rule
    lift = precision / prevalence
    because = f"{precision:.0%} of the best {best} conflict, {lift:.1f} times the {prevalence:.0%} of all. {SELECTION}"
    return question, LIMITED if lift >= USEFUL_LIFT else NO, because, rule


def _best(metrics: dict, top: pd.DataFrame | None) -> tuple[str, float]:
    """How many of the highest scores are judged, in words, and their precision; empty where there are too few rows."""
    few = None if top is None else top[top["top"] <= LARGEST_TOP * metrics["n"]]
    if few is None or few.empty:
        return "", 0.0
    return f"{int(few['top'].iloc[-1]):,}", float(few["precision"].iloc[-1])


def _beyond_classification(metrics: dict) -> list[tuple[str, str, str, str]]:
    """Whether the model knows more than the present classification, where a time split can tell."""
    alone = {name: metrics.get("baselines", {}).get(name) for name in ("classification", "vus")}
    known = {name: figures for name, figures in alone.items() if figures}
    if metrics["split"] != "time" or not known:
        return []
    words = {"classification": "the present classification alone", "vus": "knowing only whether it is uncertain"}
    best = max(figures["roc_auc"] for figures in known.values())
    low = metrics["roc_auc_ci"][0]
    better = low > best
    beside = " and ".join(f"{figures['roc_auc']:.3f} for {words[name]}" for name, figures in known.items())
    because = f"ROC AUC {metrics['roc_auc']:.3f} (from {low:.3f}) against {beside}" + (
        "." if better else ": no better than knowing the class."
    )
    rule = "time split: yes if the lower end of the interval is above the better of both baselines, else no"
    return [("Say more than the present classification says?", YES if better else NO, because, rule)]


def headline(table: pd.DataFrame) -> str:
    """The verdict in one paragraph: what the model can do, what with limits, what not, and what it estimates."""
    parts = []
    for answer, words in ((YES, "Use it to"), (LIMITED, "Use it, with limits, to"), (NO, "Do not use it to")):
        asked = [row.question.rstrip("?") for row in table.itertuples() if row.answer == answer]
        if asked:
            parts.append(f"{words}: {'; '.join(one[0].lower() + one[1:] for one in asked)}.")
    return f"{' '.join(parts)} {SELECTION}"
