"""The documented SQL for the normal form of an address, and the letters to try it with."""

from __future__ import annotations

import re
import unicodedata

from tests.support.docs import PAGES

#: Of the column ``address``.
NORMAL_FORM = re.search(
    r"```sql\n(replace\(lower\(.*?)```", PAGES["docs/guides/privacy.md"], re.DOTALL
)[1].strip()

#: Every letter that all engines know: those of Unicode 3.2, each within a text.
LETTERS = [
    *(
        f"x{chr(code)}x"
        for code in range(1, 0x110000)
        if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Co", "Cs")
    ),
    "\t\n ΝΊΚΟΣ@Example.com \u00a0\r\v\f",
    "ΟΔΟΣ@ΟΔΟΣ.GR",
    "İİ@example.com",
]
