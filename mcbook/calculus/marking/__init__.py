"""Marking an answer: what a learner did to a derivation, found among all that people do to one.

reading     given, draws                      text, functions and arrays; values to try them at
searching   graph, linear, search             the derivation as linear maps; which slips reproduce the answer
slips       slips, normalisers, places,       to a rule; inside what it hands on; signs, numbers, lost paths;
            scaling, patterns, everywhere,    over several rules; in the function itself;
            whole, steps                      with the finished gradient
by the text edits, repair                     what one change to the answer, or to the gradient, makes of it
beside it   metrics, rounding, shapes, sums   right in another metric, in a blurred check, in another shape
saying it   strong, ties, lines, report       the verdict, the line and the term, the hints
"""
