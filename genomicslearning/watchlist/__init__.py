"""The watch list: every variant that one laboratory has classified, ranked by the chance that others will disagree."""

from genomicslearning.watchlist.ranking import build, why_none

__all__ = ["build", "why_none"]
