"""Where private text comes from.

In: a directory of text files, one JSON Lines file, an app's export of chats, or the name of an NLTK corpus. Out: a
`Corpus`: phones, each with its messages, oldest first; or what one person wrote of it. Law: nothing here is
imported by the server's side; what does not read as a corpus is an error that names the file and the line.
"""

from fedkeys.sources.corpus import Corpus, PhoneTexts, open_corpus
from fedkeys.sources.own import Own, account_of, own_messages
from fedkeys.sources.shipped import shipped_corpus

__all__ = ["Corpus", "Own", "PhoneTexts", "account_of", "open_corpus", "own_messages", "shipped_corpus"]
