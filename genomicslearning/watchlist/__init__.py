"""The watch list: every variant that one laboratory has classified, ranked by the chance that others will disagree."""

from genomicslearning.watchlist.ranking import build, places, why_none
from genomicslearning.watchlist.single_submitters import NoSingleSubmitters

__all__ = ["NoSingleSubmitters", "build", "places", "why_none"]
