# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What Tab knows of guestmemfs(8).

_guestmemfs() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words files=

	case $COMP_CWORD:${COMP_WORDS[1]} in
	1:*) words="plan status dump check kexec --help --version" ;;
	*:plan) words="--pool --node --nodes --spread --memmap --help" ;;
	*:status) words="--bad --help" ;;
	*:dump) words="--pool --kho --region --help" files=y ;;
	*:check) words="--cmdline --append --help" ;;
	*:kexec) words="--initrd --cmdline --reuse-cmdline --append --no-jump --help" files=y ;;
	*) return ;;
	esac
	case $before in
	--pool | --node | --region | --cmdline | --append) return ;;
	--nodes | --memmap) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
	--initrd) words='' files=y ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"
		[[ -z $files || $word = -* ]] || compgen -f -- "$word")
}
complete -o filenames -F _guestmemfs guestmemfs
