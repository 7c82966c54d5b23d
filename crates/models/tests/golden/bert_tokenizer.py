#!/usr/bin/env python3
"""Golden token ids of `SentenceTokenizer`: Hugging Face's BertTokenizerFast.

    python3 bert_tokenizer.py

Writes bert_vocab.txt (a small vocabulary), bert_tokenizer.json (of the same), and bert_tokens.json:
texts and their ids; and, for every 4096 characters of Unicode, the CRC-32 of the ids of all texts
`a<character>b`, as little-endian 32-bit numbers.
"""

import json
import pathlib
import sys
import zlib

import tokenizers
import transformers
from transformers import BertTokenizerFast

FOLDER = pathlib.Path(__file__).resolve().parent

WORDS = (
    "a an the of photo and dog cat hot ice cream car aard ##vark aardvark wheel ##s ##ing ##ed ##er "
    "red green un ##aff ##able naive cafe resume uber i ' t don can 2 3 10 20 ##0 ##1 . , ; ! ? - _ / "
    "\\ ( ) [ ] { } \" # $ % & * + < = > @ ^ ` | ~ : ##! σ ο ##ς ##σ ##ο и ##и ж е ё 中 国 日 本 한 국 "
    "ᄒ ##ᅡ ##ᆫ ß ##ß ss ı ø ##ø æ ﬁ ² ½ — “ ” … € ° 🙂 ##🙂 ا ##ل क ##क"
).split()

TEXTS = [
    "aardvark", "Aardvarks", "a photo of the dog", "hot dog", "ice-cream", "ice cream", "dog_s", "cat (2)",
    "cars", "wheels and wheeling", "unaffable", "UNAFFABLE!", "", " ", "\t\n\r", "  Two   spaces\tand\nlines ",
    "don't", "can't; won't", "naïve café résumé Über", "naïve", "ÀÉÎÕÜ", "ß straße STRASSE ẞ",
    "İstanbul Iı ı İ", "ΣΟΦΟΣ σοφος Σ", "ЁЖИК ёж Й й", "中国", "photo of中国the", "日本 語", "한국 한",
    "𠀀𪚥 豈 丽", "ا ال", "क्क", "æ Æ ø Ø ﬁ ﬀ", "½ ² ³ ①", "“quoted” — … €5 5°", "a—b–c", "¿que? ¡no!",
    "10 200 2023 3.1416 1,000", "a.b.c", "...", "#hash @at $1 100% a&b a*b a+b <a> = a^b `c` |d| ~e",
    "back\\slash /path/to", "[CLS]", "a [SEP] dog", "[MASK][PAD] x[UNK]y", "[cls] [ SEP ] [SEP", "a\u0000b",
    "a\ufffdb", "zero\u200bwidth \u200d joiner", "soft\u00adhyphen", "bell\u0007 del\u007f nel\u0085 x",
    "line\u2028sep para\u2029x", "nbsp\u00a0a \u3000 a", "🙂 a🙂 🙂🙂", "e\u0301 n\u0303a e\u0301\u0302",
    "\u0301", "a" * 100, "a" * 101, "the " + "dog" * 33 + " " + "dog" * 34, "zebra", "dogzebra dogs",
    "\ud7a3 \u1100\u1161", "ǅ Ǆ ᾳ Ⅷ", "\U000e0001 \ue000a \u2fa1", "a\u034fb", "ﷺ ﾊﾟ", "ᏚᎢ ꭰ", "\U0001e900 \U00010400",
]


def main():
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    letters = [*letters, *("##" + c for c in letters), *"0123456789"]
    vocabulary = list(dict.fromkeys([*special, *WORDS, *letters]))
    file = FOLDER / "bert_vocab.txt"
    file.write_text("".join(token + "\n" for token in vocabulary), encoding="utf-8")
    tokenizer = BertTokenizerFast(str(file), do_lower_case=True)
    # As published files have it; neither counts.
    tokenizer.backend_tokenizer.enable_truncation(128)
    tokenizer.backend_tokenizer.enable_padding(length=128)
    tokenizer.backend_tokenizer.save(str(FOLDER / "bert_tokenizer.json"), pretty=False)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    out = {
        "generator": "tests/golden/bert_tokenizer.py",
        "python": sys.version.split()[0],
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "cases": [{"text": text, "ids": tokenizer(text).input_ids} for text in TEXTS],
        "characters": characters(tokenizer.backend_tokenizer),
    }
    text = json.dumps(out, ensure_ascii=True, indent=None)
    text = text.replace('{"text"', '\n  {"text"').replace('], "characters"', '\n ],\n "characters"')
    (FOLDER / "bert_tokens.json").write_text(text + "\n")
    print(len(vocabulary), "tokens,", len(TEXTS), "texts")


def characters(tokenizer):
    """A CRC-32 for every 4096 characters; those that are surrogates are left out."""
    checks = []
    for begin in range(0, 0x110000, 4096):
        codes = (c for c in range(begin, begin + 4096) if not 0xD800 <= c < 0xE000)
        encoded = tokenizer.encode_batch([f"a{chr(c)}b" for c in codes])
        ids = b"".join(i.to_bytes(4, "little") for e in encoded for i in e.ids)
        checks.append(zlib.crc32(ids))
    return checks


if __name__ == "__main__":
    main()
