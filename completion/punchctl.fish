# fish completion for punchctl(8), which knows itself what may follow.

function __punchctl_complete
    set -l words (commandline -opc)
    set -l found ($words[1] complete -- $words[2..] (commandline -ct) 2>/dev/null)

    switch "$found[1]"
        case '<file>'
            __fish_complete_path (commandline -ct)
        case '<program>'
            set -l program $words[(math (contains -i -- -- $words) + 1)..] (commandline -ct)
            complete -C (string join ' ' -- (string escape -- $program[1..-2]) $program[-1])
        case '*'
            string join \n -- $found
    end
end

complete -c punchctl -f -a '(__punchctl_complete)'
