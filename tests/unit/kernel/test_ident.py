from __future__ import annotations

import pytest

from interlock.kernel.ident import is_name


@pytest.mark.parametrize("text", ["a", "delay-predictor", "v1.2_x", "a" * 63])
def test_lower_case_words_are_names(text: str) -> None:
    """Letters, digits, dots, dashes and underscores, up to 63 of them."""
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a b", "a/b", "../a", "a\n", "a" * 64])
def test_what_is_unsafe_in_urls_and_headers_is_no_name(text: str) -> None:
    """Not even a closing newline passes, which `$` alone would allow."""
    assert not is_name(text)
