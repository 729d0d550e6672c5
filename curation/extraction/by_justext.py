"""The extractor `justext@1`: paragraphs judged by length, link density and the share of function words.

The list of function words is that of the page's language: what `<html lang>` says, else what py3langid says of the
visible text. For a language without a list (Chinese, Japanese, Thai) the words do not decide, as jusText's own
language-independent mode. All thresholds are jusText's defaults. Source: Pomikálek 2011, thesis, chapter 3.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version

from curation.extraction.base import Extractor, WebPage
from curation.extraction.nesting import refuse_truncated

SAMPLE_CHARS = 4_000
_LIBRARIES = ("jusText", "lxml", "lxml_html_clean", "py3langid", "resiliparse")


def paragraphs(page: WebPage) -> str:
    """Return the paragraphs that are no boilerplate, one a line."""
    from justext import core
    from lxml.etree import ParserError

    try:
        dom = core.html_to_dom(page.html)
    except ParserError:  # nothing in it
        return ""
    refuse_truncated(dom)
    words = stop_words(language(page))
    low, high = (core.STOPWORDS_LOW_DEFAULT, core.STOPWORDS_HIGH_DEFAULT) if words else (0.0, 0.0)
    found = core.ParagraphMaker.make_paragraphs(core.preprocessor(dom))
    core.classify_paragraphs(found, words, stopwords_low=low, stopwords_high=high)
    core.revise_paragraph_classification(found)
    return "\n".join(paragraph.text for paragraph in found if not paragraph.is_boilerplate)


def language(page: WebPage) -> str:
    """Return the language as two or three letters; what a page declares goes before what it looks like."""
    root = page.first("html[lang]")
    declared = root.getattr("lang") if root is not None else ""
    match = re.match(r"[a-z]{2,3}(?![a-z])", (declared or "").strip().lower())
    if match and match[0] in LISTS:
        return match[0]
    import py3langid
    from resiliparse.extract.html2text import extract_plain_text

    text = str(extract_plain_text(page.tree, main_content=False))
    return str(py3langid.classify(text[:SAMPLE_CHARS])[0])


@cache
def stop_words(code: str) -> frozenset[str]:
    """Return jusText's function words of a language; empty for one without a list."""
    from justext import get_stoplist

    return frozenset(get_stoplist(LISTS[code])) if code in LISTS else frozenset()


LISTS = dict(
    entry.split("=")
    for entry in """
    = af=Afrikaans an=Aragonese ar=Arabic ast=Asturian az=Azerbaijani be=Belarusian bg=Bulgarian bn=Bengali
    br=Breton bs=Bosnian ca=Catalan cs=Czech cv=Chuvash cy=Welsh da=Danish de=German el=Greek en=English
    eo=Esperanto es=Spanish et=Estonian eu=Basque fa=Persian fi=Finnish fr=French fy=West_Frisian ga=Irish
    gl=Galician gu=Gujarati he=Hebrew hi=Hindi hr=Croatian ht=Haitian hu=Hungarian hy=Armenian id=Indonesian ig=Igbo
    io=Ido is=Icelandic it=Italian jv=Javanese ka=Georgian kk=Kazakh kn=Kannada ko=Korean ku=Kurdish ky=Kyrgyz
    la=Latin lb=Luxembourgish lt=Lithuanian lv=Latvian mk=Macedonian ml=Malayalam mr=Marathi ms=Malay mt=Maltese
    nb=Norwegian_Bokmal ne=Nepali nl=Dutch nn=Norwegian_Nynorsk no=Norwegian_Bokmal oc=Occitan pl=Polish
    pt=Portuguese qu=Quechua ro=Romanian ru=Russian sh=Serbo_Croatian sk=Slovak sl=Slovenian sq=Albanian sr=Serbian
    su=Sundanese sv=Swedish sw=Swahili ta=Tamil te=Telugu tk=Turkmen tl=Tagalog tr=Turkish uk=Ukrainian ur=Urdu
    uz=Uzbek vi=Vietnamese vo=Volapuk wa=Walloon yo=Yoruba
    """.split()
)
"""jusText's lists by the language's code (ISO 639-1)."""


def _version() -> str:
    return ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)


JUSTEXT = Extractor(extract=paragraphs, version=_version, about="paragraphs by jusText, function words of the language")
