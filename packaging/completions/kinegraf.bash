# Completes kinegraf in bash; made by tests/documents/manual.rs.
_kinegraf() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=run
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 && $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'run migrate spool' -- "$word")
        return
    fi
    if [[ $COMP_CWORD -eq 2 && ${COMP_WORDS[1]} == spool ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'list drain export' -- "$word")
        return
    fi
    case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
    'migrate'*) command='migrate' ;;
    'spool list'*) command='spool list' ;;
    'spool drain'*) command='spool drain' ;;
    'spool export'*) command='spool export' ;;
    esac
    case "$command $before" in
    'run -c' | 'run --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    'run --stream') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --region') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --endpoint-url') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --profile') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --role-arn') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --partition') mapfile -t COMPREPLY < <(compgen -W 'random series measurement static= tag= template=' -- "$word"); return ;;
    'run --format') mapfile -t COMPREPLY < <(compgen -W 'influx json string custom' -- "$word"); return ;;
    'run --pack') mapfile -t COMPREPLY < <(compgen -W 'metric lines' -- "$word"); return ;;
    'run --content-encoding') mapfile -t COMPREPLY < <(compgen -W 'identity' -- "$word"); return ;;
    'run --listen') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --forward') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --deadline') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --spool') mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    'run --shutdown-timeout') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --flush-interval') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'run --log') mapfile -t COMPREPLY < <(compgen -W 'auto stderr journal telegraf' -- "$word"); return ;;
    'migrate --pairing') mapfile -t COMPREPLY < <(compgen -W 'exec execd socket' -- "$word"); return ;;
    'migrate -o' | 'migrate --output') mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    'spool list -c' | 'spool list --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    'spool list --spool') mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    'spool list --stream') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool list --region') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool list --endpoint-url') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --destination') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --give-up-after') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain -c' | 'spool drain --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    'spool drain --spool') mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    'spool drain --stream') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --region') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --endpoint-url') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --profile') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --format') mapfile -t COMPREPLY < <(compgen -W 'influx json string custom' -- "$word"); return ;;
    'spool drain --pack') mapfile -t COMPREPLY < <(compgen -W 'metric lines' -- "$word"); return ;;
    'spool drain --content-encoding') mapfile -t COMPREPLY < <(compgen -W 'identity' -- "$word"); return ;;
    'spool drain --deadline') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool drain --shutdown-timeout') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool export --destination') mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
    'spool export -c' | 'spool export --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    'spool export --spool') mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    esac
    case $command in
    'run') mapfile -t COMPREPLY < <(compgen -W '-c --config --stream --region --endpoint-url --profile --role-arn --partition --format --pack --content-encoding --listen --forward --deadline --spool --shutdown-timeout --flush-interval --dry-run --log -v -q -h --help -V --version' -- "$word") ;;
    'migrate') mapfile -t COMPREPLY < <(compgen -W '--pairing -o --output --write -h --help -V --version' -- "$word") ;;
    'spool list') mapfile -t COMPREPLY < <(compgen -W '--json -c --config --spool --stream --region --endpoint-url -h --help -V --version' -- "$word") ;;
    'spool drain') mapfile -t COMPREPLY < <(compgen -W '--to-configured --destination --give-up-after -c --config --spool --stream --region --endpoint-url --profile --format --pack --content-encoding --deadline --shutdown-timeout -v -q -h --help -V --version' -- "$word") ;;
    'spool export') mapfile -t COMPREPLY < <(compgen -W '--destination --all -c --config --spool -h --help -V --version' -- "$word") ;;
    esac
    [[ $word == -* ]] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _kinegraf kinegraf
