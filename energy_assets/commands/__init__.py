"""The commands of ``energy-assets``, a module per group: arguments in, tables and exit codes out.

Only reading arguments and showing results belongs here, and nowhere else is anything printed. What a command does is
done by the domain modules, which are imported inside the commands so that ``--help`` is quick.
"""
