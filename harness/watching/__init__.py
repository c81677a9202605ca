"""What a script of one process does in which phase, seen from outside its own word.

`injected` is put in front of the path of the watched interpreter and says what happens inside it; a pipe
carries that out, and the time of each event is that of our clock when it came out. Nothing here is proof
against a script that fights it: events are witnesses beside the sandbox, never its replacement.
"""
