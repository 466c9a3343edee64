package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"chatmail-proxy/toolchain/command/output"
)

// Process is how a command is run.
type Process struct {
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

// Printed is what the last command printed, without the last newline.
type Printed struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the fields in the schema.
func (p *Process) Annotate(a infer.Annotator) {
	const notHere = "Not in this stand-in: setting it fails the command."
	a.Describe(&p.Stdin, "Text that the command reads on its standard input.")
	a.Describe(&p.Logging, "Which streams are shown while the command runs; both by default. "+
		"A failing command prints both all the same.")
	a.Describe(&p.Interpreter, "Program and arguments before the command; `/bin/sh -c` by default, `cmd /C` on Windows.")
	a.Describe(&p.Dir, "Working directory; the program's by default. It must exist.")
	a.Describe(&p.Environment, "Variables for the command, beside those of the machine.")
	a.Describe(&p.AssetPaths, notHere)
	a.Describe(&p.ArchivePaths, notHere)
	a.Describe(&p.AddPreviousOutputInEnv, "Whether the command finds the previous outputs in "+
		output.PreviousStdout+" and "+output.PreviousStderr+"; true by default.")
}

// Annotate describes the fields in the schema.
func (p *Printed) Annotate(a infer.Annotator) {
	a.Describe(&p.Stdout, "What the command wrote to stdout, without the last newline.")
	a.Describe(&p.Stderr, "What the command wrote to stderr, without the last newline.")
}

// run does one command and replaces what the one before it printed; nil runs nothing.
func (p *Process) run(ctx context.Context, command *string, printed *Printed) error {
	if command == nil {
		return nil
	}
	if p.AssetPaths != nil || p.ArchivePaths != nil {
		return errors.New("assetPaths, archivePaths: this stand-in for the command plugin has no files as outputs; " +
			"install the published plugin to use them")
	}
	argv := append(p.interpreter(), *command)
	process := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // running commands is the purpose
	if p.Dir != nil {
		process.Dir = *p.Dir
	}
	process.Env = append(os.Environ(), p.variables(*printed)...)
	if p.Stdin != nil && *p.Stdin != "" {
		process.Stdin = strings.NewReader(*p.Stdin)
	}
	recorder := output.NewRecorder(ctx, (*string)(p.Logging))
	process.Stdout, process.Stderr = recorder.Stdout, recorder.Stderr
	stdout, stderr, err := recorder.Finish(*command, process.Run())
	if err != nil {
		return err
	}
	*printed = Printed{Stdout: stdout, Stderr: stderr}
	return nil
}

func (p *Process) interpreter() []string {
	if p.Interpreter != nil && len(*p.Interpreter) > 0 {
		return append([]string(nil), *p.Interpreter...)
	}
	if runtime.GOOS == "windows" {
		return []string{"cmd", "/C"}
	}
	return []string{"/bin/sh", "-c"}
}

func (p *Process) variables(previous Printed) (variables []string) {
	if p.Environment != nil {
		for name, value := range *p.Environment {
			variables = append(variables, name+"="+value)
		}
	}
	if p.AddPreviousOutputInEnv != nil && !*p.AddPreviousOutputInEnv {
		return variables
	}
	if previous.Stdout != "" {
		variables = append(variables, output.PreviousStdout+"="+previous.Stdout)
	}
	if previous.Stderr != "" {
		variables = append(variables, output.PreviousStderr+"="+previous.Stderr)
	}
	return variables
}
