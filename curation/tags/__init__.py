"""Tags: domains of documents whose sources name none, from frozen models of their words."""
