"""Where private text comes from.

In: a directory of text files, one JSON Lines file, or the name of an NLTK corpus. Out: a `Corpus`: phones, each
with its messages, oldest first. Law: nothing here is imported by the server's side; what does not read as a
corpus is an error that names the file and the line.
"""

from fedkeys.sources.corpus import Corpus, PhoneTexts, open_corpus
from fedkeys.sources.shipped import shipped_corpus

__all__ = ["Corpus", "PhoneTexts", "open_corpus", "shipped_corpus"]
