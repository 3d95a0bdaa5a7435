"""Planted campaigns: accounts and machines with an ordinary past in the hands of somebody else.

Intruders use what is there: the same programs, clients, doors and folders as everybody (`actions`), from the
same providers as travellers and privacy VPNs. What differs is who does what from where, when and how much.
Nothing in a single event tells; `counterparts` are the benign people and machines that do the same.

`planning` says which campaigns an organisation gets and acts them; `identity`, `insider`, `endpoint`,
`network` and `cloud` hold the kinds.
"""
