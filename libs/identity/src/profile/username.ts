/** The form in which usernames are unique: NFKC, whatever the case (contract, row 3). */
export function normalisedUsername(username: string): string {
  // By way of upper case: σ and ς, or ß and ss, are one letter in different cases, and lower case leaves them apart.
  return username.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}

const forbidden = /[\p{Cc}]|^\s|\s$/u;

export function isUsername(username: string): boolean {
  return !forbidden.test(username) && normalisedUsername(username).length > 0;
}
