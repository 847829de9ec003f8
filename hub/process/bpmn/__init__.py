"""A process as BPMN 2.0, with its picture, for the tools of others
(https://www.omg.org/spec/BPMN/2.0.2/).

What our files say in a word is said there with gateways: an `if` is a branch with a way round, an
outcome a branch behind the task that decides, `reopen` a flow back.
"""
