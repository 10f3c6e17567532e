import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';

const folder = join(__dirname, '../../libs/contracts/src/events');
const format = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;

/** `docs/events.md`: every event type and every shape in it, as the contracts declare them. */
export function eventsDocument(): string {
  const files = readdirSync(folder)
    .filter((name) => name !== 'event.ts')
    .sort()
    .map((name) => join(folder, name));
  const options = { strict: true, noLib: false, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS };
  const program = ts.createProgram(files, options);
  const described = new Description(program.getTypeChecker());
  const parts = files.map((file) => described.context(basename(file, '.ts'), program.getSourceFile(file)!));
  return [introduction, ...parts, described.shapes()].join('\n');
}

const introduction = `# Events

Every type in the log, written from \`libs/contracts/src/events\` (\`SYMBOLON_WRITE_EVENTS=1 npx jest tools/events\`). † marks personal fields: they are stored sealed, in the box of their subject. Instants are RFC 3339 with milliseconds.
`;

class Description {
  private readonly named = new Map<string, string>();

  constructor(private readonly checker: ts.TypeChecker) {}

  context(name: string, source: ts.SourceFile): string {
    const events = source.statements.flatMap((statement) => this.event(statement) ?? []);
    for (const statement of source.statements) this.shape(statement);
    return `## ${name}\n\n${events.join('\n')}`;
  }

  /** What the fields of events name: interfaces, each once. */
  shapes(): string {
    const sorted = [...this.named].sort(([a], [b]) => (a < b ? -1 : 1));
    return `## Shapes\n\n${sorted.map(([, text]) => text).join('\n')}`;
  }

  private event(statement: ts.Statement): string | null {
    if (!ts.isTypeAliasDeclaration(statement) || !ts.isTypeReferenceNode(statement.type)) return null;
    const { typeName, typeArguments: [type, data, personal] = [] } = statement.type;
    if (typeName.getText() !== 'Event' || !type || !data) return null;
    const fields = [...this.fields(data), ...(personal ? this.fields(personal, '† ') : [])];
    return section(
      type.getText().replaceAll("'", ''),
      this.said(this.checker.getSymbolAtLocation(statement.name)),
      fields,
    );
  }

  private shape(statement: ts.Statement): void {
    if (!ts.isInterfaceDeclaration(statement) || !isExported(statement)) return;
    const symbol = this.checker.getSymbolAtLocation(statement.name);
    this.named.set(statement.name.text, section(statement.name.text, this.said(symbol), this.fields(statement)));
  }

  private fields(node: ts.Node, mark = ''): string[] {
    return this.checker
      .getTypeAtLocation(node)
      .getProperties()
      .map((field) => {
        const type = this.checker.typeToString(this.checker.getTypeOfSymbolAtLocation(field, node), node, format);
        const optional = field.flags & ts.SymbolFlags.Optional;
        const text = `${field.name}${optional ? '?' : ''}: ${optional ? type.replace(/ \| undefined$/, '') : type}`;
        const says = this.said(field);
        return `- ${mark}\`${text}\`${says && ` — ${says}`}`;
      });
  }

  private said(symbol: ts.Symbol | undefined): string {
    return ts.displayPartsToString(symbol?.getDocumentationComment(this.checker)).replace(/\s+/g, ' ').trim();
  }
}

function section(title: string, says: string, fields: readonly string[]): string {
  return [`### \`${title}\``, ...(says ? ['', says] : []), ...(fields.length > 0 ? ['', ...fields] : []), ''].join(
    '\n',
  );
}

function isExported(statement: ts.InterfaceDeclaration): boolean {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}
