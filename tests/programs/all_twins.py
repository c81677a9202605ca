"""Every example script and every twin, by name."""

from __future__ import annotations

from tests.programs.data_twins import DATA_TWINS
from tests.programs.ngram_scripts import NGRAM_SCRIPTS
from tests.programs.ngram_twins import NGRAM_TWINS
from tests.programs.order_twins import ORDER_TWINS
from tests.programs.score_first_scripts import SCORE_FIRST_SCRIPTS

BASES: dict[str, str] = {**SCORE_FIRST_SCRIPTS, **NGRAM_SCRIPTS}
TWINS = (*ORDER_TWINS, *NGRAM_TWINS, *DATA_TWINS)
