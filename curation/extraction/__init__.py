"""Main text, title and date of web pages, by extractors with a name and a version: `trafilatura@1`, `resiliparse@1`.

One page in this process: `extract`. Many, in worker processes that a pathological page cannot hang: `extract_pages`.
"""

from curation.extraction.base import Extracted as Extracted
from curation.extraction.base import Extractor as Extractor
from curation.extraction.base import Page as Page
from curation.extraction.base import WebPage as WebPage
from curation.extraction.extract import DEFAULT_EXTRACTOR as DEFAULT_EXTRACTOR
from curation.extraction.extract import Limits as Limits
from curation.extraction.extract import component_version as component_version
from curation.extraction.extract import extract as extract
from curation.extraction.extract import resolve as resolve
from curation.extraction.workers import extract_pages as extract_pages
