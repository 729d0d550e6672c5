"""What the lines of a page's frame say: the words and phrases of `filters.modifiers.boilerplate`, in lower case.

All are ours, collected from the templates of common content systems; English only.
"""

from __future__ import annotations


def _listed(text: str) -> frozenset[str]:
    """Return the phrases between bars and line ends."""
    return frozenset(phrase.strip() for line in text.split("\n") for phrase in line.split("|") if phrase.strip())


PROMPTS = _listed("""
read more|continue reading|click here|learn more|load more|show more|show less|view all|see all|see more|view more
older posts|newer posts|previous post|next post|older entries|newer entries|previous page|next page|previous article
next article|leave a comment|leave a reply|post a comment|add a comment|add comment|write a comment|reply
cancel reply|log in to reply|log in to comment|you must be logged in to post a comment|sign in to comment
subscribe|subscribe now|subscribe to our newsletter|sign up for our newsletter|join our newsletter
sign up for our mailing list|get our newsletter|print this page|email this page|email to a friend
print this article|add to cart|add to basket|add to wishlist|buy now|skip to content|skip to main content
skip to navigation|jump to navigation|toggle navigation|back to top|go to top|scroll to top|return to top
report this ad|advertisement|advertisements|sponsored content|ads by google
""")
"""Lines that are a button or a link of the page, whole."""

ITEMS = _listed("""
home|home page|homepage|main page|about|about us|about me|contact|contact us|contacts|log in|login|log out|logout
sign in|sign up|sign out|register|my account|account|search|menu|main menu|navigation|site map|sitemap|news
latest news|blog|shop|store|cart|my cart|basket|checkout|wishlist|faq|faqs|help|support|privacy|privacy policy
privacy notice|terms|terms of use|terms of service|terms and conditions|terms & conditions|legal|legal notice
disclaimer|imprint|careers|jobs|press|media|gallery|events|services|products|portfolio|team|our team|partners
advertise|advertise with us|subscribe|newsletter|archives|archive|categories|tags|recent posts|recent comments
popular posts|related posts|links|downloads|forum|forums|directory|feedback|languages|english|previous|next|back
top|rss|rss feed|cookie policy|cookies|accessibility|site index|follow us|donate|all categories
""")
"""Items of menus; each alone may be a heading of a text, so they count only in company."""

SHARE_VERBS = frozenset({"share", "sharing", "tweet"})
SHARE_WORDS = SHARE_VERBS | frozenset(
    "facebook twitter x pinterest linkedin whatsapp reddit tumblr instagram telegram youtube email e-mail mail print "
    "google google+ stumbleupon digg pocket flipboard messenger shares pin like this on via to by with more and it "
    "post article page click here opens open in new window follow us loading : | / , - – · • & +".split()
)
"""All that a row of share buttons says."""

MAKERS = ("powered by", "designed", "website", "theme", "site")
"""How a line begins that says who made the page."""
