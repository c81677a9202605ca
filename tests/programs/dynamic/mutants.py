"""Edits of the four legal submissions of `mutant_bases`, each the smallest that breaks one condition in a way
that was seen or refused in the challenge, and edits that look like one and break none."""

from __future__ import annotations

from tests.programs.dynamic.chunk_mutants import chunk_mutants
from tests.programs.dynamic.document_mutants import document_mutants
from tests.programs.dynamic.mutant import Mutant
from tests.programs.dynamic.mutant_bases import BASES
from tests.programs.dynamic.ngram_mutants import ngram_mutants
from tests.programs.dynamic.window_mutants import window_mutants

MUTANTS: tuple[Mutant, ...] = (
    *(Mutant(name=f"{name} as it is", base=name, edits=()) for name in BASES),
    *window_mutants(),
    *chunk_mutants(),
    *ngram_mutants(),
    *document_mutants(),
)
