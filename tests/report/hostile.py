"""Two hundred texts by people who wish the reader of a report ill."""

from __future__ import annotations

import numpy as np

from ragdiag.stores import ArrayStore

PLAIN = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>",
    '"><svg onload="window.hacked=1">',
    "' onmouseover='window.hacked=1' x='",
    '<a href="javascript:window.hacked=1">click</a>',
    "<iframe src=https://evil.example/></iframe>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>*{display:none!important}</style>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><input name=q autofocus onfocus=window.hacked=1>",
    "<!-- <!--<script> -->",
    "]]><![CDATA[<script>window.hacked=1</script>",
    "{{ 7 * 7 }}{% for x in ().__class__.__mro__ %}{{ x }}{% endfor %}",
    '\\"},{"window.hacked":1,"x":"\\u003cscript>',
    "%{x}%{customdata}%{meta.hacked}<extra>extra</extra>",
    "<b>bold</b><br><i>cursive</i><sub>low</sub><span style='font-size:99px'>large</span>",
    "$\\href{javascript:window.hacked=1}{x}$ \\[x\\]",
    "&lt;script&gt;window.hacked=1&lt;/script&gt; &amp;amp;",
    "line\u2028separator\u2029paragraph\x85next\x0bvertical\x0cfeed\r\nreturn",
    "\x00nul \x07bell \x08back \x1b[31mred \x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "\u202egnp.exe \u2066isolated\u2069\u200f\u061c mark",
    "مرحبا بالعالم، هذا نص طويل من اليمين إلى اليسار (تعليق) 123",
    "שלום עולם, טקסט מימין לשמאל [סוגריים] 42",
    "👩‍👩‍👧‍👦🏳️‍🌈🧑🏽‍🚀 emoji 🇺🇳",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
    "\ud800 lone \udfff surrogates",
    "\U000e0041\U000e0042 tags \ufeff\ufffe\ue000 private",
    "ｆｕｌｌ ｗｉｄｔｈ 検索拡張生成のためのベクトルストア",
    "",
    "   \t\n ",
    "1e309",
    "2026-01-02",
    "NaN",
    "__proto__",
    "constructor",
    "onerror=alert(1)//",
    "javascript:window.hacked=1",
    "url(https://evil.example/x)",
)


def texts(size: int = 200) -> list[str]:
    """Return the corpus: each plain one alone, inside others, and long ones."""
    found = list(PLAIN)
    found += ["x" * 1_000_000, "<" * 100_000, "&" * 100_000, "\u202e" * 100_000, "é\u0301" * 50_000, "🧨" * 50_000]
    found += ["A perfectly ordinary sentence. " + text for text in PLAIN]
    found += [text * 20 for text in PLAIN]
    found += [f"<b>{text}</b>" for text in PLAIN]
    found += [f'{{"a": "{text}"}}' for text in PLAIN]
    return found[:size]


def store(seed: int = 0) -> ArrayStore:
    """Return 200 documents whose texts, ids and metadata are hostile; one is a hub, two pairs are repeated."""
    rng = np.random.default_rng(seed)
    words = texts()
    X = rng.standard_normal((len(words), 16)).astype(np.float32) + 0.6
    X[3], X[7] = X[2], X[6]
    X[0] = 4 * X.mean(axis=0)
    ids = [
        f"{i} {word[:40]}".encode("utf-16", "surrogatepass").decode("utf-16", "replace") for i, word in enumerate(words)
    ]
    metadata = [{"source": PLAIN[i % 5], PLAIN[i % 7]: "x"} for i in range(len(words))]
    return ArrayStore(X, ids=ids, texts=words, metadata=metadata, metric="dot", name="<b>evil</b>\u202e store")


def queries(seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return forty query vectors for `store`."""
    return (np.random.default_rng(seed).standard_normal((40, 16)) + 0.6).astype(np.float32)
